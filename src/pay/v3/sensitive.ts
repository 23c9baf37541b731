/** Names, card numbers and the like: RSA-OAEP with SHA-1. WeChat Pay APIv3 documentation, "Encrypting sensitive fields". */
import { constants, privateDecrypt, publicEncrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' } as const

/** base64. */
export const encryptSensitive = (text: string, key: KeyObject): string => publicEncrypt({ key, ...OAEP }, Buffer.from(text)).toString('base64')

/** @throws Error if it was not encrypted for this key */
export const decryptSensitive = (ciphertext: string, key: KeyObject): string => decryptSensitiveBytes(ciphertext, key).toString()

/** The same for bytes: the keys of encrypted files. @throws Error */
export const decryptSensitiveBytes = (ciphertext: string, key: KeyObject): Buffer => privateDecrypt({ key, ...OAEP }, Buffer.from(ciphertext, 'base64'))
