#include "certificates.hpp"

#include <stdexcept>

#include "process.hpp"

namespace tickstock::test {

Certificates::Certificates() {
  directory_.open_to_services();
  for (const std::string authority : {"ca", "other"}) {
    shell("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -addext " +
          std::string("basicConstraints=critical,CA:true") + " -subj /CN=" + authority +
          " -keyout " + authority + ".key -out " + authority + ".crt");
  }
  directory_.write("index.txt", "");
  directory_.write("ca.cnf",
                   "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nrand_serial = yes\n"
                   "unique_subject = no\n"
                   "policy = any\n[any]\ncommonName = supplied\n");
  sign("good", "DNS:localhost,IP:127.0.0.1", "20991231");
  sign("wrong_host", "DNS:elsewhere.example", "20991231");
  sign("expired", "DNS:localhost,IP:127.0.0.1", "20001231");
  directory_.write("private.key", file_text(file("good.key")), 0600);
}

void Certificates::shell(const std::string& command) const {
  const ProcessResult result = run_process({"sh", "-c", command + " && chmod a+r *"},
                                           {.directory = directory_.path().string()});
  if (result.status != 0) throw std::runtime_error("openssl: " + result.err);
}

void Certificates::sign(const std::string& name, const std::string& names,
                        const std::string& last_day) const {
  directory_.write(name + ".ext", "subjectAltName=" + names + "\n");
  // Unlike 'openssl x509 -days', this makes an expired certificate with every version of OpenSSL.
  shell("openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout " + name + ".key -out " +
        name + ".csr && openssl ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -md sha256" +
        " -notext -outdir . -in " + name + ".csr -out " + name +
        ".crt -startdate 20000101000000Z -enddate " + last_day + "000000Z -extfile " + name +
        ".ext");
}

}  // namespace tickstock::test
