// Small comforts. Every page works without this script, but for security keys and biometrics.

const MANNERS = {
  clock: { hour: "numeric", minute: "2-digit" },
  date: { dateStyle: "long" },
  full: { dateStyle: "long", timeStyle: "short" },
};

/** Write times in the reader's own zone and manner instead of UTC. */
function localizeTimes() {
  const { lang } = document.documentElement;
  const locale = navigator.languages.find((tag) => tag.split("-")[0] === lang) ?? lang;
  for (const element of document.querySelectorAll("time[data-manner]")) {
    const moment = new Date(element.dateTime);
    const manner = MANNERS[element.dataset.manner];
    if (manner && !Number.isNaN(moment.getTime())) {
      element.textContent = new Intl.DateTimeFormat(locale, manner).format(moment);
    }
  }
}

/** Send each form once: a second click while the answer is on its way does nothing. */
function guardSubmits() {
  const sent = new Set();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return; // a script takes it from here
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    sent.add(form);
    form.setAttribute("aria-busy", "true");
  });
  // A page that comes back from the back/forward cache may be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of sent) form.removeAttribute("aria-busy");
    sent.clear();
  });
}

/** Let codes be pasted or typed with spaces, as mails and apps show them. */
function tidyCodes() {
  for (const input of document.querySelectorAll("input.code")) {
    input.addEventListener("input", () => {
      const tidy = input.value.replace(/[\s-]/g, "");
      if (tidy !== input.value) input.value = tidy;
    });
  }
}

/** Offer to copy, where the browser can. */
function offerCopying() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const said = button.parentElement.querySelector("[data-copied]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).dataset.value);
        said.textContent = "Copied";
      } catch {
        said.textContent = "Could not copy: select the key and copy it by hand";
      }
    });
  }
}

/** Put the cursor into what a person has just opened. */
function focusOpened() {
  for (const details of document.querySelectorAll("details.rename")) {
    details.addEventListener("toggle", () => {
      if (details.open) details.querySelector("input[name=name]").select();
    });
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !details.open) return;
      details.open = false;
      details.querySelector("summary").focus();
    });
  }
}

localizeTimes();
guardSubmits();
tidyCodes();
offerCopying();
focusOpened();
