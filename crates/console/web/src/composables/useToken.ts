// The admin token: kept for this tab only, never in a cookie or in the address.

import { readonly, ref, type Ref } from 'vue';

const NAME = 'plimsoll.token';
const token = ref<string | null>(stored());

export function useToken(): { token: Readonly<Ref<string | null>>; set: (value: string) => void } {
  return { token: readonly(token), set };
}

function set(value: string): void {
  token.value = value;
  try {
    sessionStorage.setItem(NAME, value);
  } catch {
    // Storage is switched off: the token lives as long as the page.
  }
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}
