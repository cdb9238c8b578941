// An OpenID provider on a free port. It prints its issuer and runs until its standard input
// ends. The argument is the redirect URI of its clients.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const client = (id, more = {}) => ({
  client_id: id,
  client_secret: `${id}-secret`,
  redirect_uris: [process.argv[2]],
  token_endpoint_auth_method: "client_secret_post",
  ...more,
});

const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [client("songspy"), client("another"), client("pss", { id_token_signed_response_alg: "PS256" })],
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256"] },
    claims: { email: ["email", "email_verified"], profile: ["name", "picture"] },
    conformIdTokenClaims: false, // like Google, which puts the profile into the ID token
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, name: `Name of ${id}` }),
    }),
    jwks: { keys: [{ ...key, use: "sig", kid: "1" }] },
    cookies: { keys: ["of a test"] },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
process.stdin.on("end", () => process.exit()).resume();
