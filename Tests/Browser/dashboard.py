"""The dashboard as a person uses it: finds by what can be seen, and waits for what is to happen."""

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from harness import ADMIN_TOKEN, wait_until

PAGES = ["overview", "keys", "routes", "providers", "models", "spend", "logs", "reports", "settings"]


class Dashboard:

    def __init__(self, driver, gateway):
        self.driver = driver
        self.gateway = gateway
        self.url = f"http://127.0.0.1:{gateway.admin_port}/admin/dashboard"
        self.expected_console: list[str] = []

    # Getting there

    def reset(self):
        self.size(1280)
        self.driver.delete_all_cookies()
        self.open()
        self.script("localStorage.clear()")
        self.driver.delete_all_cookies()
        self.driver.get_log("browser")

    def open(self, place: str = ""):
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}{place}")

    def size(self, width: int, height: int = 900):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def prefer(self, language: str = "en", theme: str = "light"):
        self.script(f"localStorage.setItem('fastgate.language', '{language}'); localStorage.setItem('fastgate.theme', '{theme}')")

    def sign_in(self, place: str = ""):
        """Through the API, as signing in has tests of its own."""
        status, headers, _ = self.gateway.admin_raw(
            "POST", "/admin/session", {"token": ADMIN_TOKEN}, {"x-fastgate-dashboard": "1"}, token=None)
        assert status == 201
        name, value = headers["set-cookie"].split(";")[0].split("=", 1)
        self.driver.add_cookie({"name": name, "value": value})
        self.open(place)
        self.settle()

    def go(self, page: str, ready: str = "h1"):
        self.script(f"location.hash = '#/{page}'")
        name = page.split("/")[0].split("?")[0]
        # On a phone the menu is folded.
        wait_until(lambda: self.all(f"#menu a[data-page={name}][aria-current]"), f"{name} is marked in the menu")
        self.settle(ready)

    def settle(self, ready: str = "h1"):
        """Until the page has its heading and nothing that loads."""
        self.wait(f".page {ready}")
        wait_until(lambda: not self.all(".state.loading") and not self.all(".spinner"), "nothing loads any more")

    # Looking

    def all(self, selector: str):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, selector: str, text: str = ""):
        """The first element that the selector finds, is shown, and has the text."""

        def look():
            try:
                return next((one for one in self.all(selector) if one.is_displayed() and text in one.text), None)
            except StaleElementReferenceException:
                return None

        return wait_until(look, f"{selector} with {text!r} in:\n{self.text()[:800]}")

    def gone(self, selector: str):
        wait_until(lambda: not self.all(selector), f"{selector} is gone")

    def text(self) -> str:
        return self.script("return document.body.innerText")

    def script(self, text: str, *values):
        return self.driver.execute_script(text, *values)

    # Doing

    def press(self, selector: str, text: str = ""):
        self.wait(selector, text).click()

    def type(self, label: str, value: str, within: str = ""):
        """Into the field that is so called."""
        control = self.field(label, within)
        control.clear()
        control.send_keys(value)

    def choose(self, label: str, option: str, within: str = ""):
        Select(self.field(label, within)).select_by_visible_text(option)

    def choose_by_label(self, label: str, option: str):
        """In a list that has its name as an attribute."""
        Select(self.wait(f"select[aria-label={label}]")).select_by_visible_text(option)

    def field(self, label: str, within: str = ""):
        def look():
            for one in self.all(f"{within} label"):
                if one.is_displayed() and one.text == label:
                    return self.driver.find_element(By.ID, one.get_attribute("for"))

        return wait_until(look, f"a field called {label!r}")

    # Judging

    def check_console(self):
        """Nothing was said in the console but what the test expects."""
        said = [
            entry["message"] for entry in self.driver.get_log("browser")
            if not any(expected in entry["message"] for expected in self.expected_console)]
        assert not said, said

    def check_layout(self, what: str):
        """Nothing sticks out to the right, nothing that can be pressed is without a name."""
        for place in ("html", "dialog[open]"):
            sizes = self.script("const one = document.querySelector(arguments[0]); return one && [one.clientWidth, one.scrollWidth]", place)
            assert sizes is None or sizes[1] <= sizes[0], f"{what}: {place} has {sizes[1]} px in {sizes[0]}: {self.script(WIDEST)}"
        nameless = self.script(NAMELESS)
        assert not nameless, f"{what}: without a name: {nameless}"


WIDEST = """
return [...document.querySelectorAll("body *")].filter(one => one.getBoundingClientRect().right > innerWidth + 1)
  .slice(0, 5).map(one => one.outerHTML.slice(0, 120))"""

NAMELESS = """
return [...document.querySelectorAll("button, a, input, select, textarea")].filter(one => one.checkVisibility())
  .filter(one => !(one.innerText || one.getAttribute("aria-label") || one.labels?.length)).map(one => one.outerHTML.slice(0, 160))"""
