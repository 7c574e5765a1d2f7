// One clock for everything on the page that says how long ago something was.

import { onScopeDispose, readonly, ref, type Ref } from 'vue';

export function useClock(periodMs = 1000): Readonly<Ref<number>> {
  const now = ref(Date.now());
  const timer = setInterval(() => (now.value = Date.now()), periodMs);
  onScopeDispose(() => clearInterval(timer));
  return readonly(now);
}
