// Two languages. A module keeps its texts beside its code: `const t = texts({ en: {…}, zh: {…} })`, then `t.name`, or
// `t.name(3)` where the text is a function.

export const languages = { en: "English", zh: "中文" };

const stored = localStorage.getItem("fastgate.language");

export const language = stored in languages ? stored : navigator.language.startsWith("zh") ? "zh" : "en";

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

/** The texts of the language in use. */
export function texts(all) {
  return all[language];
}

/** Changes the language; the page starts anew, for its texts are everywhere. */
export function setLanguage(name) {
  localStorage.setItem("fastgate.language", name);
  location.reload();
}
