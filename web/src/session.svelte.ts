import { api, ask, type CurrentSession, failureOf, type Failure, onSignedOut, type Permission } from './api/client';

/** Who sits here. */
class Session {
  state = $state<'loading' | 'failed' | 'setup' | 'signedOut' | 'signedIn'>('loading');
  current = $state.raw<CurrentSession>();
  failure = $state.raw<Failure>();
  /** Signed out in the middle of something, which the page behind the sign-in keeps. */
  ended = $state(false);

  async find() {
    this.state = 'loading';
    try {
      const { data, response } = await api.GET('/api/session');
      if (data) return this.begin(data);
      if (response.status !== 401) throw new Error(`The server answered with status ${response.status}.`);
      const setup = await ask(api.GET('/api/setup'));
      this.state = setup.needed ? 'setup' : 'signedOut';
    } catch (error) {
      this.failure = failureOf(error);
      this.state = 'failed';
    }
  }

  begin(current: CurrentSession) {
    this.current = current;
    this.ended = false;
    // The address of the setup leads nowhere once there is an administrator.
    if (location.pathname === '/setup') history.replaceState(null, '', '/');
    this.state = 'signedIn';
  }

  async signOut() {
    await ask(api.DELETE('/api/session'));
    // Nothing of one person's pages is left for the next.
    location.assign('/');
  }

  may(permission: Permission): boolean {
    return this.current?.permissions.includes(permission) ?? false;
  }
}

export const session = new Session();
onSignedOut.call = () => {
  if (session.state === 'signedIn') session.ended = true;
};
