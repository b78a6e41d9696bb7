"""Every page in both languages, both themes and both widths."""

import itertools

import pytest
from dashboard import PAGES

from harness import wait_until

# What a page has once it is there.
READY = {
    "overview": "table.logs tbody tr", "keys": "td.row-actions", "routes": "td.row-actions",
    "providers": "td.row-actions", "models": "td.row-actions", "spend": "ul.bar-list li", "logs": "table.logs tbody tr",
    "reports": "ul.bar-list li", "settings": ".config dd",
}
TITLES = {
    "en": ["Overview", "Keys", "Routes", "Providers", "Models and prices", "Spend", "Logs", "Reports", "Settings"],
    "zh": ["概览", "密钥", "路由", "提供商", "模型与价格", "费用", "日志", "报表", "设置"],
}


VIEWS = [*itertools.product(["en", "zh"], ["light", "dark"], [1280, 390]), ("en", "light", 360), ("en", "light", 768)]


@pytest.mark.parametrize("language, theme, width", VIEWS)
def test_pages(dashboard, picture, language, theme, width):
    dashboard.prefer(language, theme)
    dashboard.size(width, 844 if width < 600 else 900)
    dashboard.sign_in()
    for page, title in zip(PAGES, TITLES[language]):
        dashboard.go(page, READY[page])
        assert dashboard.wait("h1").text == title
        wait_until(lambda: all(one.find_elements("css selector", "svg") for one in dashboard.all(".plot")), "charts are drawn")
        dashboard.check_layout(f"{page} {language} {theme} {width}")
        shapes = "return [...document.querySelectorAll('.plot rect')].filter(one => getComputedStyle(one).fill === 'rgb(0, 0, 0)').length"
        assert dashboard.script(shapes) == 0, f"{page}: a bar has no colour of its own"
        picture(f"{page}-{language}-{theme}-{width}")
    background = dashboard.script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(16, 20, 26)") == (theme == "dark")
    assert dashboard.script("return document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
