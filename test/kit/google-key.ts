import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/** A service account's key as Google's console hands it out. */
export interface GoogleKey {
  readonly email: string;
  readonly publicKey: KeyObject;
  /** The JSON file. */
  readonly json: string;
  /** As `credentials` of a conf. */
  readonly credentials: string;
}

/** A new one for each call, so that no private key lies in the repository. */
export function createGoogleKey(): GoogleKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'trailpush@test-project.iam.gserviceaccount.com';
  const json = JSON.stringify({
    type: 'service_account',
    project_id: 'test-project',
    private_key_id: '0123456789abcdef0123456789abcdef01234567',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
    client_id: '123456789012345678901',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: 'https://oauth2.googleapis.com/token',
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url:
      'https://www.googleapis.com/robot/v1/metadata/x509/trailpush%40test-project.iam.gserviceaccount.com',
    universe_domain: 'googleapis.com',
  });
  const credentials = `base64:${Buffer.from(json).toString('base64')}`;
  return { email, publicKey, json, credentials };
}
