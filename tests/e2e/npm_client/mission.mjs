// Cloudflare's official client for Node.js, with only its address and its token changed, does what administrators do.
//
// `node mission.mjs SETTINGS.json`. Settings: `modules` (folder with the client in it), `base_url`, `token`,
// `account_id`, `email` (of somebody with one authenticator), `aaguid`. Writes one JSON object: what each step gave.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { default: Cloudflare } = await import(pathToFileURL(`${settings.modules}/cloudflare/index.mjs`));
const client = new Cloudflare({ baseURL: settings.base_url, apiToken: settings.token });
const { organizations, access, gateway } = client.zeroTrust;
const { account_id, aaguid } = settings;
const given = {};

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, errors: error.errors };
  }
  return null;
}

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

// MFA is turned on for the organization, and asked for by all applications.
const mfa_config = { allowed_authenticators: ['totp', 'security_key'], session_duration: '24h' };
await organizations.update({ account_id, name: 'Example', mfa_config });
await organizations.update({ account_id, mfa_required_for_all_apps: true });
given.on = await organizations.list({ account_id });

// One application asks for a security key, one of its policies for nothing, and a policy of several for 30 minutes.
const people = { decision: 'allow', include: [{ everyone: {} }] };
const shared = await access.policies.create({
  account_id,
  ...people,
  name: 'shared',
  mfa_config: { session_duration: '30m' },
});
const vault = await access.applications.create({
  account_id,
  type: 'self_hosted',
  name: 'Vault',
  domain: 'vault.example.com',
  mfa_config: { allowed_authenticators: ['security_key'] },
  policies: [shared.id],
});
given.vault = await access.applications.get(vault.id, { account_id });
given.kiosk = await access.applications.policies.create(vault.id, {
  account_id,
  ...people,
  name: 'kiosk',
  mfa_config: { mfa_disabled: true },
});
given.applications = (await all(access.applications.list({ account_id, per_page: 1 }))).map(({ name }) => name);

// MFA is not turned off while anything of this stands, and then it is.
const off = { account_id, mfa_config: { allowed_authenticators: [] }, mfa_required_for_all_apps: false };
given.not_off = await refused(organizations.update(off));
await access.applications.delete(vault.id, { account_id });
await access.policies.delete(shared.id, { account_id });
given.off = await organizations.update(off);
await organizations.update({ account_id, mfa_config, mfa_required_for_all_apps: true });

// Only listed models of security keys can be enrolled; a list that is used stays.
const list = await gateway.lists.create({
  account_id,
  name: 'Company keys',
  type: 'AAGUID',
  items: [{ value: aaguid, description: 'the one that everybody gets' }],
});
const restricted = { ...mfa_config, required_aaguids: list.id };
given.restricted = await organizations.update({ account_id, mfa_config: restricted });
given.kept = await refused(gateway.lists.delete(list.id, { account_id }));
given.items = await all(gateway.lists.items.list(list.id, { account_id }));
given.free = await organizations.update({ account_id, mfa_config: { ...restricted, required_aaguids: null } });
await gateway.lists.delete(list.id, { account_id });

// An authenticator is deleted.
const [user] = await all(access.users.list({ account_id, email: settings.email }));
const path = `/accounts/${account_id}/access/users/${user.id}/mfa_authenticators`;
given.authenticators = (await client.get(path)).result;
given.deleted = (await client.delete(`${path}/${given.authenticators[0].id}`)).result;
given.user = await access.users.get(user.id, { account_id });
given.gone = await refused(client.delete(`${path}/${given.authenticators[0].id}`));
given.forbidden = await refused(new Cloudflare({ baseURL: settings.base_url, apiToken: 'x' }).user.tokens.verify());

process.stdout.write(JSON.stringify(given));
