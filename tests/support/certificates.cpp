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
  sign("good", "DNS:localhost,IP:127.0.0.1", "2");
  sign("wrong_host", "DNS:elsewhere.example", "2");
  sign("expired", "DNS:localhost,IP:127.0.0.1", "-1");
}

void Certificates::shell(const std::string& command) const {
  const ProcessResult result = run_process({"sh", "-c", command + " && chmod a+r *"},
                                           {.directory = directory_.path().string()});
  if (result.status != 0) throw std::runtime_error("openssl: " + result.err);
}

void Certificates::sign(const std::string& name, const std::string& names,
                        const std::string& days) const {
  directory_.write(name + ".ext", "subjectAltName=" + names + "\n");
  shell("openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout " + name + ".key -out " +
        name + ".csr && openssl x509 -req -in " + name +
        ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -out " + name + ".crt -days " + days +
        " -extfile " + name + ".ext");
}

}  // namespace tickstock::test
