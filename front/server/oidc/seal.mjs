// Encrypts what a browser keeps for the hub in a cookie, so that nobody else can read, change or make it. Pure.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts and decrypts values for one purpose: those of another purpose are not accepted. */
export class Seal {
  /** @param {Buffer} key  of the hub's cookies @param {string} purpose */
  constructor(key, purpose) {
    this.key = Buffer.from(hkdfSync('sha256', key, '', `yamcp-hub ${purpose}`, 32));
  }

  /** Encrypt text. @param {string} text @returns {string} in base64url */
  seal(text) {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.key, iv);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** Decrypt text; null if it was not encrypted with this key and for this purpose. @param {string} value */
  open(value) {
    const bytes = Buffer.from(value, 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv(CIPHER, this.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      return null;
    }
  }
}
