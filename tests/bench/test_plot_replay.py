"""Tests of scripts/plot-replay: what it draws from the CSV of a replay."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "plot-replay"
HEAD = "day,config,universe,changes,undone,members,off_rule\n"
SVG = "{http://www.w3.org/2000/svg}"


class Plot(unittest.TestCase):
    """What is drawn."""

    def draw(self, *files: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Runs the script over CSV files; the drawing is at self.plot."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.plot = folder / "plot.svg"
        paths = []
        for number, text in enumerate(files):
            paths.append(folder / f"{number}.csv")
            paths[-1].write_text(HEAD + text, encoding="utf-8")
        return subprocess.run([str(SCRIPT), str(self.plot), *map(str, paths), *options], capture_output=True, text=True,
                              check=False)

    def lines(self) -> list[int]:
        """Returns the number of points of each line."""
        found = ElementTree.parse(self.plot).getroot().findall(f"{SVG}polyline")
        return [len(line.attrib["points"].split()) for line in found]

    def test_draws_a_line_for_each_stretch_and_configuration(self) -> None:
        one = "".join(f"2024-{month:02}-{day:02},{config},u,{month + day},0,1,0\n"
                      for config in ("a.toml", "b.toml") for month in (1, 2, 3) for day in (1, 2))
        later = one.replace("2024-", "2025-")
        self.assertEqual(self.draw(one, later, options=("--label", "cut", "--label", "still")).returncode, 0)
        self.assertEqual(self.lines(), [3, 3, 3, 3])
        labels = [text.text for text in ElementTree.parse(self.plot).getroot().findall(f"{SVG}text")]
        self.assertIn("cut", labels)
        self.assertIn("still", labels)

    def test_the_first_day_is_not_drawn(self) -> None:
        self.draw("2024-01-31,,u,0,0,9,0\n2024-02-01,,u,4,0,9,0\n2024-02-01,,v,7,0,9,0\n", options=("--universe", "u"))
        self.assertEqual(self.lines(), [1])

    def test_says_what_is_missing(self) -> None:
        done = self.draw("2024-01-31,,u,0,0,9,0\n", options=("--universe", "nope"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no night of these universes", done.stderr)


if __name__ == "__main__":
    unittest.main()
