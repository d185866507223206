#!/usr/bin/env python3
"""tidy.py finds what it is there to find."""

import os
import subprocess
import sys
import tempfile
import unittest

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy.py")


class TidyTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.write("base/a.h", "// base/a.h: a thing.\n#pragma once\n")

    def tearDown(self):
        self.root.cleanup()

    def write(self, path, text):
        full = os.path.join(self.root.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def run_tidy(self, rule):
        done = subprocess.run([sys.executable, TIDY, "--root", self.root.name, "--only", rule],
                              capture_output=True, text=True)
        return done.returncode, done.stdout

    def test_a_good_tree_passes(self):
        self.write("net/b.h", '// net/b.h: b.\n#pragma once\n\n#include "base/a.h"\n')
        for rule in ["includes", "handles", "shape", "format", "alone"]:
            self.assertEqual(self.run_tidy(rule), (0, ""), rule)

    def test_an_include_against_the_table_is_found(self):
        self.write("base/b.cpp", '#include "storage/store.h"\n')
        self.write("query/c.cpp", '#include "recorder/recorder.h"\n')
        code, out = self.run_tidy("includes")
        self.assertEqual(code, 1)
        self.assertIn("base/b.cpp", out)
        self.assertIn("query/c.cpp", out)

    def test_a_handle_outside_of_its_folder_is_found(self):
        self.write("storage/b.h", "// storage/b.h: b.\n#pragma once\nrocksdb::DB* db;\n")
        code, out = self.run_tidy("handles")
        self.assertEqual(code, 1)
        self.assertIn("rocksdb::", out)

    def test_a_header_that_leans_on_its_includer_is_found(self):
        self.write("base/b.h", "// base/b.h: b.\n#pragma once\nstd::string name();\n")
        code, out = self.run_tidy("alone")
        self.assertEqual(code, 1)
        self.assertIn("base/b.h", out)

    def test_shape_and_format_are_checked(self):
        self.write("base/b.h", "#pragma once\n" + "int x;\n" * 200)
        code, out = self.run_tidy("shape")
        self.assertEqual((code, out.count("shape: base/b.h")), (1, 2))
        self.write("base/c.cpp", "int   y ;\n")
        self.assertEqual(self.run_tidy("format")[0], 1)

    def test_a_line_of_more_than_100_columns_is_found(self):
        self.write("base/b.cpp", "//" + "é" * 98 + "\n")
        self.assertEqual(self.run_tidy("shape"), (0, ""))
        self.write("base/b.cpp", "int x;\n//" + "é" * 99 + "\n")
        self.write("tests/base/c.cpp", "int y;  //" + "a" * 91 + "\n")
        code, out = self.run_tidy("shape")
        self.assertEqual((code, out.count("columns")), (1, 2))
        self.assertIn("base/b.cpp:2:", out)
        self.assertIn("tests/base/c.cpp:1:", out)

    def test_what_cannot_be_broken_may_be_long(self):
        long = "a" * 101
        self.write("base/b.cpp", f'#include "{long}.h"\n'
                                 f'const char* raw = R"x(\n{long}\n)" {long}\n)x";\n'
                                 f"// https://example.org/{long}\n")
        self.assertEqual(self.run_tidy("shape"), (0, ""))
        self.write("base/b.cpp", f'const char* raw = R"(\n{long}\n)"; // {long}\n')
        code, out = self.run_tidy("shape")
        self.assertEqual((code, out.count("columns")), (1, 1))
        self.assertIn("base/b.cpp:3:", out)

    def test_no_file_is_longer_than_500_lines(self):
        for lines, found in [(500, 0), (501, 1)]:
            self.write("tests/base/b_test.cpp", "int x;\n" * lines)
            self.write("tests/base/c.h", "// tests/base/c.h: c.\n#pragma once\n" + "int x;\n" * (lines - 2))
            self.write("index/records.h", "// index/records.h: c.\n#pragma once\n" + "int x;\n" * (lines - 2))
            code, out = self.run_tidy("shape")
            self.assertEqual((code, out.count("more than 500")), (found, 3 * found), out)


if __name__ == "__main__":
    unittest.main()
