"""Everyday tools that install and test, in a whole box."""
import json
import shutil
import unittest

from sandbox import SessionTest


class Tools(SessionTest):
    def test_pytest_runs_and_keeps_its_cache(self):
        self.write("test_shop.py", "import pathlib\n\ndef test_env_is_absent(tmp_path):\n"
                                   "    (tmp_path / 'x').write_text('x')\n"
                                   "    assert not pathlib.Path('.env').exists()\n")
        self.write(".env", "KEY=value\n")
        seen = self.run_box("/usr/bin/python3 -m pytest -q 2>&1")
        self.assertIn("1 passed", seen)
        self.assertTrue((self.project / ".pytest_cache").is_dir())

    @unittest.skipIf(shutil.which("npm") is None, "npm is not installed")
    def test_npm_installs_packages_with_programs_and_scripts(self):
        for number in range(20):
            name = f"part-{number}"
            self.write(f"parts/{name}/package.json", json.dumps({
                "name": name, "version": "1.0.0", "bin": {name: "main.js"},
                "scripts": {"postinstall": "node -e \"require('fs').writeFileSync('built', 'yes')\""}}))
            self.write(f"parts/{name}/main.js", f"#!/usr/bin/env node\nconsole.log('{name}')\n")
        names = [f"part-{number}" for number in range(20)]
        self.run_box("cd parts && for p in part-*; do (cd $p && npm pack --silent >/dev/null); done")
        self.write("package.json", json.dumps({"name": "shop", "version": "1.0.0", "dependencies": {
            name: f"file:parts/{name}/{name}-1.0.0.tgz" for name in names}}))
        self.run_box("npm install --no-audit --no-fund --offline 2>&1")
        self.assertEqual(self.run_box("npx --no-install part-7"), "part-7\n")
        for name in names:
            self.assertEqual((self.project / "node_modules" / name / "built").read_text(), "yes")
        self.run_box("npm ci --no-audit --no-fund --offline 2>&1 && rm -r node_modules")
        self.assertFalse((self.project / "node_modules").exists())


if __name__ == "__main__":
    unittest.main()
