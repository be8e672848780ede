// Security keys and biometrics: the browser's half of a WebAuthn ceremony (WebAuthn Level 3, sections 5.1 and 7).
// Everything it needs stands in data-* attributes of the form. It decides nothing: the server verifies.

/** A failure that has been put into words for the person. */
class Told extends Error {}

const UNEXPECTED = "Something went wrong. Load the page again and retry.";

function words(error, isEnrolling, isPlatform) {
  if (error instanceof Told) return error.message;
  switch (error?.name) {
    case "NotAllowedError":
    case "AbortError":
      return isEnrolling
        ? "It was cancelled, or it took too long. Nothing was set up. You can try again."
        : "It was cancelled, or it took too long. Try again, with a device that you have set up here.";
    case "InvalidStateError":
      return isEnrolling
        ? `This ${isPlatform ? "device" : "key"} is already set up for you.`
        : "This device cannot be used now. Try again.";
    case "NotSupportedError":
      return `This ${isPlatform ? "device" : "key"} cannot be used here. Try another, or choose another method.`;
    case "ConstraintError":
      return isPlatform
        ? "Your device has no fingerprint, face or screen lock set up. Set one up in its settings, then try again."
        : "This key needs a PIN, and has none yet. Set one in your system's settings, then try again.";
    case "SecurityError":
      return "Your browser does not allow this at this address. Tell an administrator.";
    default:
      return UNEXPECTED;
  }
}

function bytesFrom(base64url) {
  const binary = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function base64urlFrom(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const withBytesId = (descriptors) => (descriptors ?? []).map((one) => ({ ...one, id: bytesFrom(one.id) }));

/** PublicKeyCredentialCreationOptionsJSON → PublicKeyCredentialCreationOptions. */
function creationOptions(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  return {
    ...json,
    challenge: bytesFrom(json.challenge),
    user: { ...json.user, id: bytesFrom(json.user.id) },
    excludeCredentials: withBytesId(json.excludeCredentials),
  };
}

/** PublicKeyCredentialRequestOptionsJSON → PublicKeyCredentialRequestOptions. */
function requestOptions(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  return { ...json, challenge: bytesFrom(json.challenge), allowCredentials: withBytesId(json.allowCredentials) };
}

/** PublicKeyCredential → RegistrationResponseJSON or AuthenticationResponseJSON. */
function credentialJSON(credential) {
  // Some password managers replace the credential with an object whose toJSON throws.
  try {
    if (credential.toJSON) return credential.toJSON();
  } catch {
    // made by hand below
  }
  const { response } = credential;
  const parts = { clientDataJSON: base64urlFrom(response.clientDataJSON) };
  if (response.attestationObject) {
    parts.attestationObject = base64urlFrom(response.attestationObject);
    parts.transports = response.getTransports?.() ?? [];
  } else {
    parts.authenticatorData = base64urlFrom(response.authenticatorData);
    parts.signature = base64urlFrom(response.signature);
    if (response.userHandle) parts.userHandle = base64urlFrom(response.userHandle);
  }
  return {
    id: credential.id,
    rawId: base64urlFrom(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: parts,
  };
}

async function post(url, csrf, body) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
    });
  } catch {
    throw new Told("The server cannot be reached. Check your connection and try again.");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Told(UNEXPECTED);
  }
  if (!response.ok) throw new Told(typeof answer?.error === "string" ? answer.error : UNEXPECTED);
  return answer;
}

async function perform(form, say) {
  const { optionsUrl, finishUrl, csrf, request, purpose, method } = form.dataset;
  const isEnrolling = form.dataset.webauthn === "create";
  const about = { method, request, purpose };
  const name = form.elements.namedItem("name")?.value.trim();
  if (name) about.name = name;

  const { options, ceremony } = await post(optionsUrl, csrf, about);
  say(method === "biometrics" ? "Waiting for your device…" : "Waiting for your security key…");
  const credential = isEnrolling
    ? await navigator.credentials.create({ publicKey: creationOptions(options) })
    : await navigator.credentials.get({ publicKey: requestOptions(options) });
  if (!credential) throw new Told(UNEXPECTED);
  say("Checking…");
  const { location } = await post(finishUrl, csrf, { ...about, ceremony, credential: credentialJSON(credential) });
  const target = new URL(location, window.location.href);
  if (!["https:", "http:"].includes(target.protocol)) throw new Told(UNEXPECTED);
  window.location.assign(target);
}

function bind(form) {
  const alert = form.querySelector("[data-alert]");
  const status = form.querySelector("[data-status]");
  const button = form.querySelector("[data-start]");
  const isEnrolling = form.dataset.webauthn === "create";
  const isPlatform = form.dataset.method === "biometrics";
  const say = (text) => {
    status.textContent = text;
  };
  const fail = (text) => {
    say("");
    alert.hidden = false;
    alert.textContent = text;
    alert.focus();
  };
  const rest = () => {
    button.disabled = false;
    form.removeAttribute("aria-busy");
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    form.setAttribute("aria-busy", "true");
    alert.hidden = true;
    alert.textContent = "";
    say("One moment…");
    try {
      await perform(form, say); // from here on the next page loads, and the button stays as it is
    } catch (error) {
      fail(words(error, isEnrolling, isPlatform));
      rest();
    }
  });
  window.addEventListener("pageshow", () => {
    say("");
    if (window.PublicKeyCredential) rest();
  });

  if (window.PublicKeyCredential) {
    rest();
    if (!isEnrolling && !document.getElementById("error")) button.focus();
  } else {
    fail("This browser cannot use security keys or biometrics. Use another browser, or choose another method.");
  }
}

for (const form of document.querySelectorAll("form[data-webauthn]")) bind(form);
