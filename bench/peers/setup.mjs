// What all brokers are given alike: one ECDSA certificate, one password.
import path from 'node:path';
import { work } from '../harness.mjs';

export const dataDirectory = path.join(work, 'data');  // of Fairlead, which makes the certificate
const file = (name) => path.join(dataDirectory, 'certs', name);
export const certificate = { authority: file('ca.crt'), file: file('server-ec.crt'),
  key: file('server-ec.key') };

const login = { user: 'bench', password: 'bench-password' };
export const plainLogin = {
  ...login, words: ['--user', login.user, '--password', login.password] };
