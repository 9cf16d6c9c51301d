"""What each daemon says of a wrong configuration or command line, and of a second one like it."""

import os
import shutil
import subprocess
import unittest

from harness import BUILD, Chain, scratch_dir

DAEMONS = {
    "hq": ("hq/trib-hq", "data_dir = data\npostgres = dbname=x\n"),
    "relay": ("relay/trib-relay", "data_dir = data\n"),
    "store": ("store-agent/trib-store", "data_dir = data\n"),
}


def run(program, *args, timeout=30):
    """(exit status, output and errors) of a program of ours."""
    done = subprocess.run([os.path.join(BUILD, program), *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False)
    return done.returncode, done.stdout


class Configuration(unittest.TestCase):
    """Each daemon with files of ours."""

    def setUp(self):
        self.dir = scratch_dir()
        self.addCleanup(shutil.rmtree, self.dir)

    def check(self, section, text):
        """(exit status, output) of `config check` over this text."""
        path = os.path.join(self.dir, f"{section}.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return run(DAEMONS[section][0], "config", "check", "--config", path)

    def test_good_file_is_ok(self):
        for section, (_, keys) in DAEMONS.items():
            with self.subTest(section):
                self.assertEqual(self.check(section, f"[{section}]\n{keys}"), (0, "ok\n"))

    def test_unknown_key_names_file_line_and_the_nearest(self):
        for section, (_, keys) in DAEMONS.items():
            with self.subTest(section):
                status, output = self.check(section, f"[{section}]\n{keys}htp_listen = 127.0.0.1:1\n")
                self.assertEqual(status, 2)
                line = keys.count("\n") + 2
                self.assertIn(f"{section}.conf:{line}: unknown key 'htp_listen'", output)
                self.assertIn("'http_listen'", output)

    def test_doubled_key_names_file_and_line(self):
        for section, (_, keys) in DAEMONS.items():
            with self.subTest(section):
                status, output = self.check(section, f"[{section}]\n{keys}data_dir = other\n")
                self.assertEqual(status, 2)
                line = keys.count("\n") + 2
                self.assertIn(f"{section}.conf:{line}:", output)
                self.assertIn("data_dir", output)

    def test_sample_is_accepted_as_a_file(self):
        for section, (program, keys) in DAEMONS.items():
            with self.subTest(section):
                status, sample = run(program, "config", "sample")
                self.assertEqual(status, 0)
                self.assertIn(f"[{section}]", sample)
                for key in keys.split("\n"):
                    self.assertIn(key.split(" ")[0], sample)

    def test_not_enrolled_says_what_to_do(self):
        for section in ("relay", "store"):
            with self.subTest(section):
                self.check(section, f"[{section}]\n{DAEMONS[section][1]}")
                status, output = run(DAEMONS[section][0], "--config",
                                     os.path.join(self.dir, f"{section}.conf"))
                self.assertEqual(status, 1, output)
                self.assertIn("enroll", output)

    def test_command_line_mistakes_point_to_help(self):
        for section, (program, _) in DAEMONS.items():
            for args in ((), ("--bogus",), ("frobnicate", "--config", "x"),
                         ("--config", "x", "a", "b", "c")):
                with self.subTest(f"{section} {args}"):
                    status, output = run(program, *args)
                    self.assertEqual(status, 2)
                    self.assertIn("--help", output)


class SecondProcess(unittest.TestCase):
    """A second daemon on one data directory leaves the first alone and says why it ends."""

    def test_each_daemon_refuses_to_share(self):
        with Chain(stores=1, regions=1) as chain:
            for node in chain.nodes():
                with self.subTest(node["name"]):
                    status, output = run(DAEMONS[node["section"]][0], "--config", node["config"])
                    self.assertEqual(status, 1, output)
                    self.assertIn(f"another {node['program']} uses", output)
                    self.assertIsNotNone(chain.process(node["name"]).pid)
            self.assertTrue(chain.is_online(chain.store("0101")))


if __name__ == "__main__":
    unittest.main()
