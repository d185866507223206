"""A Chromium that a test drives as a person would, by WebDriver, and what it asked for meanwhile.

    with Browser(directory) as browser:
        browser.go(site.server + "/")
        browser.type("#token", "lbk_…")
        browser.click("#login-form button")
        browser.wait("the page", "return !document.querySelector('#view').hidden")

chromedriver is spoken to by plain HTTP (W3C WebDriver); requests and complaints come from its logs.
"""

import base64
import json
import os
import urllib.request

from harness import Process, wait_for

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # The standard's name for a reference to one.
STEP_S = 30


class Browser:
    def __init__(self, directory, width=1280, height=1000):
        self.directory = directory
        self.downloads = os.path.join(directory, "downloads")
        os.makedirs(self.downloads, exist_ok=True)
        self.size = (width, height)
        self.session = ""
        self.requested = []   # URLs.
        self.complaints = []  # Of the console.

    def __enter__(self):
        self.driver = Process("chromedriver", ["chromedriver", "--port=0"], self.directory,
                              env={"TZ": "UTC"})
        port = self.driver.await_line(r"started successfully on port (\d+)").group(1)
        self.base = f"http://127.0.0.1:{port}"
        options = {
            "binary": "/usr/bin/chromium",
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     f"--window-size={self.size[0]},{self.size[1]}",
                     f"--user-data-dir={os.path.join(self.directory, 'chromium')}"],
            "prefs": {"download.default_directory": self.downloads},
        }
        started = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.session = f"/session/{started['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.call("DELETE", self.session)
        finally:
            self.driver.stop()

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=STEP_S + 30) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.read().decode()[:1000]}") from None

    def devtools(self, command, **parameters):
        return self.call("POST", f"{self.session}/goog/cdp/execute",
                         {"cmd": command, "params": parameters})

    def go(self, url):
        self.call("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        """What a script returns; a promise is waited for."""
        return self.call("POST", f"{self.session}/execute/sync",
                         {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", f"{self.session}/element",
                         {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def press(self, selector, key):
        """A key while that has the focus: a letter, or a code of WebDriver."""
        self.run("document.querySelector(arguments[0]).focus()", selector)
        self.call("POST", f"{self.session}/actions", {"actions": [
            {"type": "key", "id": "keys", "actions": [{"type": "keyDown", "value": key},
                                                      {"type": "keyUp", "value": key}]}]})

    def click_at(self, selector, share):
        """A click at so much of the width of an element."""
        self.point_at(selector, share, [{"type": "pointerDown", "button": 0},
                                        {"type": "pointerUp", "button": 0}])

    def point_at(self, selector, share, then=()):
        """The mouse goes there."""
        x, y = self.run(
            "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [Math.round(box.left + box.width * arguments[1]),"
            "        Math.round(box.top + box.height / 2)]", selector, share)
        self.call("POST", f"{self.session}/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "actions": [
                {"type": "pointerMove", "duration": 0, "x": x, "y": y}, *then]}]})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector).strip()

    def wait(self, what, script, *arguments, limit_s=STEP_S):
        """Until the script returns something true, which is given back."""
        try:
            return wait_for(what, lambda: self.run(script, *arguments), limit_s)
        except AssertionError as error:
            said = self.run("return document.querySelector('#message')?.textContent")
            raise AssertionError(f"{error}; the page says {said!r}") from None

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", f"{self.session}/screenshot")))

    def read_logs(self):
        """Adds what came since the last time to `requested` and `complaints`."""
        for entry in self.call("POST", f"{self.session}/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
        for entry in self.call("POST", f"{self.session}/se/log", {"type": "browser"}):
            self.complaints.append(f"{entry['level']} {entry['message']}")
