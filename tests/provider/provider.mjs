// A certified OpenID provider on loopback for the tests, as a broker of GA4GH passports (AAI 1.2).
//
// People log in without a form: `login_hint` says who. Visas are asked for at another origin, which signs them. Two
// things are the broker's own, built from the provider's parts: JWT access tokens are accepted at userinfo (there each
// stands for an opaque token of the same grant), and an access token can be exchanged for a passport (RFC 8693).
//
// argv: JSON {modules, visas, resources}. Writes {"issuer"} on standard output when it listens, and ends with standard input.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const options = JSON.parse(process.argv[2]);
const installed = createRequire(join(options.modules, "package.json"));
const load = (name) => import(pathToFileURL(installed.resolve(name)));
const { default: Provider } = await load("oidc-provider");
const jose = await load("jose");

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const PASSPORT = "urn:ga4gh:params:oauth:token-type:passport";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

const server = createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const pair = await jose.generateKeyPair("RS256", { extractable: true });
const key = { ...(await jose.exportJWK(pair.privateKey)), kid: "provider", alg: "RS256", use: "sig" };

const visasOf = async (subject) => (await fetch(`${options.visas}/visas/${subject}`)).json();
const checked = async (token) =>
  (await jose.jwtVerify(token, pair.publicKey, { issuer, typ: "at+jwt", algorithms: ["RS256"] })).payload;

const opaque = new Map();
const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: "portal",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      application_type: "native",
      redirect_uris: ["http://127.0.0.1/callback"],
    },
    {
      client_id: "beacon",
      client_secret: "a secret of the tests alone",
      grant_types: [EXCHANGE],
      response_types: [],
      redirect_uris: [],
    },
  ],
  scopes: ["openid", "offline_access", "ga4gh_passport_v1"],
  claims: { openid: ["sub"], ga4gh_passport_v1: ["ga4gh_passport_v1"] },
  clientBasedCORS: () => false,
  cookies: { keys: ["a key of the tests alone"] },
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => options.resources[0],
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: "openid ga4gh_passport_v1",
        // The other style of audience: the token names the client that people logged in with.
        audience: resource === options.resources[1] ? "portal" : resource,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  formats: {
    customizers: {
      jwt: async (_, token, parts) => {
        const { accountId, client, grantId, gty, scope } = token;
        const other = new provider.AccessToken({ accountId, client, grantId, gty, scope, claims: token.claims });
        opaque.set(parts.payload.jti, await other.save());
        if (token.client.clientId === "portal") parts.payload.research_purpose = purposes.get(accountId);
      },
    },
  },
  findAccount: (_, accountId) => ({
    accountId,
    claims: async (_use, scope) =>
      scope.includes("ga4gh_passport_v1")
        ? { sub: accountId, ga4gh_passport_v1: await visasOf(accountId) }
        : { sub: accountId },
  }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
});
const purposes = new Map(Object.entries(options.purposes ?? {}));

provider.registerGrantType(
  EXCHANGE,
  async (ctx) => {
    const { subject_token, subject_token_type, requested_token_type } = ctx.oidc.params;
    const refuse = (error) => Object.assign(ctx, { status: 400, body: { error } });
    if (subject_token_type !== ACCESS_TOKEN || requested_token_type !== PASSPORT) return refuse("invalid_request");
    let claims;
    try {
      claims = await checked(subject_token);
    } catch {
      return refuse("invalid_grant");
    }
    if (!claims.scope.split(" ").includes("ga4gh_passport_v1")) return refuse("invalid_scope");
    const passport = await new jose.SignJWT({ ga4gh_passport_v1: await visasOf(claims.sub) })
      .setProtectedHeader({ alg: "RS256", kid: "provider", typ: "vnd.ga4gh.passport+jwt" })
      .setIssuer(issuer)
      .setSubject(claims.sub)
      .setAudience(ctx.oidc.client.clientId)
      .setIssuedAt()
      .setExpirationTime("10m")
      .setJti(claims.jti)
      .sign(pair.privateKey);
    ctx.body = { access_token: passport, issued_token_type: PASSPORT, token_type: "N_A", expires_in: 600 };
  },
  ["subject_token", "subject_token_type", "requested_token_type", "scope"],
);

provider.use(async (ctx, next) => {
  if (ctx.path.startsWith("/interaction/")) {
    const { params, prompt } = await provider.interactionDetails(ctx.req, ctx.res);
    const accountId = params.login_hint;
    const grant = new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope("openid offline_access ga4gh_passport_v1");
    for (const resource of options.resources) grant.addResourceScope(resource, "openid ga4gh_passport_v1");
    const consent = { grantId: await grant.save() };
    const result = prompt.name === "login" ? { login: { accountId }, consent } : { consent };
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  const [, token] = /^Bearer (\S+\.\S+\.\S+)$/.exec(ctx.get("authorization")) ?? [];
  if (["/me", "/kept"].includes(ctx.path) && token) {
    try {
      const { jti } = await checked(token);
      if (ctx.method === "DELETE") {
        opaque.delete(jti);
        ctx.status = 204;
        return;
      }
      ctx.req.headers.authorization = `Bearer ${opaque.get(jti) ?? "none"}`;
    } catch {
      ctx.req.headers.authorization = "Bearer none";
    }
  }
  return next();
});

server.on("request", provider.callback());
process.stdin.on("end", () => process.exit(0)).resume();
console.log(JSON.stringify({ issuer }));
