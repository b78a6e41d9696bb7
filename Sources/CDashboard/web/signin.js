// The door: asks for the admin token.
import { api } from "./api.js";
import { h, fill } from "./dom.js";
import { texts } from "./i18n.js";
import { preferences } from "./shell.js";
import { errorText } from "./table.js";

const t = texts({
  en: {
    title: "Sign in", token: "Admin token", submit: "Sign in", wrong: "This token is not right.",
    ended: "Your session has ended. Please sign in again.",
    help: "It is security.admin_token of the configuration, or in the file admin_token beside the database.",
  },
  zh: {
    title: "登录", token: "管理令牌", submit: "登录", wrong: "令牌不正确。",
    ended: "会话已结束，请重新登录。",
    help: "即配置中的 security.admin_token，或数据库旁 admin_token 文件的内容。",
  },
});

/** Shows the form; `onSignedIn` is called when the gateway has accepted the token. */
export function showSignIn({ ended, onSignedIn }) {
  const message = h("p", { class: "problem", role: "alert" }, ended ? t.ended : "");
  const input = h("input", {
    type: "password", id: "token", name: "token", required: true, autocomplete: "current-password",
    "aria-describedby": "token-help",
  });
  const button = h("button", { class: "button primary" }, t.submit);

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(message);
    try {
      await api.signIn(input.value.trim());
      onSignedIn();
    } catch (error) {
      fill(message, error.code === "invalid_token" ? t.wrong : errorText(error));
      button.disabled = false;
      input.select();
    }
  }

  fill(document.body,
    h("main", { class: "sign-in" },
      h("form", { class: "card", onsubmit: submit },
        h("p", { class: "brand" }, h("span", { class: "logo", "aria-hidden": "true" }), "FastGate"),
        h("h1", {}, t.title),
        // Password managers want to know whose password it is.
        h("input", { type: "text", name: "username", value: "admin", autocomplete: "username", hidden: true }),
        h("div", { class: "field wide" },
          h("label", { for: "token" }, t.token), input, h("p", { class: "help", id: "token-help" }, t.help)),
        message,
        button),
      preferences()));
  input.focus();
}
