// The live stack for components: the newest snapshot, what this page saw of the last minutes, and how we are connected.

import { onScopeDispose, shallowRef, type ShallowRef } from 'vue';

import { History, type Columns, type Rates } from '../lib/history';
import { follow, type LiveState } from '../lib/live';
import type { StackView } from '../lib/types';

export interface LiveStack {
  view: ShallowRef<StackView | null>;
  state: ShallowRef<LiveState>;
  columns: ShallowRef<Columns>;
  rates: ShallowRef<Rates>;
  retry: () => void;
}

export function useStack(token: () => string | null): LiveStack {
  const history = new History();
  const view = shallowRef<StackView | null>(null);
  const state = shallowRef<LiveState>({ kind: 'connecting' });
  const columns = shallowRef<Columns>(history.columns());
  const rates = shallowRef<Rates>(history.rates());

  const live = follow({
    token,
    onView: (next) => {
      history.add(next);
      view.value = next;
      columns.value = history.columns();
      rates.value = history.rates();
    },
    onState: (next) => {
      if (next.kind !== state.value.kind || next.kind === 'waiting') state.value = next;
    },
  });
  // Whoever comes back to the page wants to see it now, not after the pause.
  const wake = (): void => {
    if (!document.hidden && state.value.kind === 'waiting') live.retry();
  };
  document.addEventListener('visibilitychange', wake);
  window.addEventListener('online', wake);
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', wake);
    window.removeEventListener('online', wake);
    live.stop();
  });
  return { view, state, columns, rates, retry: live.retry };
}
