// An OpenID provider for the end-to-end tests: npm's `oidc-provider`, a login page, and accounts that a file names.
//
// `node provider.mjs SETTINGS.json`. Settings: `modules` (folder with oidc-provider in it), `issuer`, `port`, `clients`
// (metadata of OpenID Connect Dynamic Client Registration 1.0), `accounts` (a file: login name to claims, `amr` and
// `auth_age_s`; read at every use), `clock` (a file: seconds to add to the real time), `claims_in_id_token` (or at
// userinfo alone), `password` (everybody's), `key` (a file for the signing key), `end` (a file: the path at whose next
// request the process dies). The last two may be missing. SIGHUP replaces the signing key.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const realNow = Date.now;
Date.now = () => realNow() + 1000 * Number(readFileSync(settings.clock, 'utf8'));
const { Provider } = await import(pathToFileURL(`${settings.modules}/oidc-provider/lib/index.js`));

const readAccounts = () => JSON.parse(readFileSync(settings.accounts, 'utf8'));
const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
function makeKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
  writeFileSync(settings.key, JSON.stringify(key));
}
const page = (title, body) =>
  `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1><p>${escaped(settings.issuer)}</p>${body}`;

function configuration() {
  return {
    clients: settings.clients,
    jwks: { keys: [JSON.parse(readFileSync(settings.key, 'utf8'))] },
    cookies: { keys: ['of the tests alone'] },
    pkce: { methods: ['S256'], required: () => true },
    claims: {
      acr: null,
      amr: null,
      auth_time: null,
      iss: null,
      sid: null,
      openid: ['sub', 'amr'],
      email: ['email', 'email_verified'],
      profile: ['name', 'groups'],
    },
    conformIdTokenClaims: !settings.claims_in_id_token,
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 3600, Session: 86400 },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) {
          ctx.body = page('Log out here too?', `${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`);
        },
        postLogoutSuccessSource(ctx) {
          ctx.body = page('Logged out of the provider', '');
        },
      },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount(ctx, id) {
      const known = readAccounts()[id];
      return known && { accountId: id, claims: () => ({ sub: id, ...known.claims }) };
    },
    // Whoever logs in has consented: what the tests are about is who they are.
    async loadExistingGrant(ctx) {
      const { client, session, provider } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
    renderError(ctx, out) {
      ctx.body = page('The provider refuses', `<pre>${escaped(JSON.stringify(out))}</pre>`);
    },
    // The portal's names are this machine, wherever they would be found otherwise.
    httpOptions: () => ({
      dnsLookup: (name, options, done) =>
        (options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)),
    }),
  };
}

function newProvider() {
  const made = new Provider(settings.issuer, configuration());
  made.on('server_error', (ctx, error) => console.error('server_error', error));
  for (const event of ['authorization.error', 'grant.error', 'end_session.error', 'backchannel.error', 'userinfo.error']) {
    made.on(event, (ctx, error) => console.error(event, error.error ?? '', error.error_description ?? error.message));
  }
  made.on('backchannel.success', (ctx, client) => console.error('backchannel.success', client.clientId));
  return made;
}

async function readForm(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

const loginForm = (request, error) =>
  page(
    'Log in at the provider',
    `${error && `<p role="alert">${error}</p>`}<form method="post" action="${escaped(request.url)}">
    <label>Login name <input name="login" required></label>
    <label>Password <input name="password" type="password" required></label>
    <button>Log in</button> <button name="abort" value="yes" formnovalidate>Cancel</button></form>`,
  );

async function interact(request, response) {
  const form = request.method === 'POST' ? await readForm(request) : null;
  if (form?.get('abort')) {
    await provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'cancelled' });
    return;
  }
  const login = form?.get('login');
  const account = login && readAccounts()[login];
  if (account && form.get('password') === settings.password) {
    const ts = Math.floor(Date.now() / 1000) - (account.auth_age_s ?? 0);
    const done = { login: { accountId: login, ts, ...(account.amr && { amr: account.amr }) } };
    await provider.interactionFinished(request, response, done);
    return;
  }
  response.writeHead(form ? 403 : 200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(loginForm(request, form ? 'Unknown login name or wrong password' : ''));
}

if (!existsSync(settings.key)) makeKey();
let provider = newProvider();
process.on('SIGHUP', () => {
  makeKey();
  provider = newProvider();
});
process.on('SIGTERM', () => process.exit(0));
createServer((request, response) => {
  if (existsSync(settings.end) && request.url === readFileSync(settings.end, 'utf8')) process.exit(1);
  if (!request.url.startsWith('/interaction/')) {
    provider.callback()(request, response);
    return;
  }
  interact(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
}).listen(settings.port, '127.0.0.1');
