import type { Destination } from '../../api/client';

/** Whether nothing can be stored there before somebody authorizes it. */
export const needsAuthorization = ({ authorization: { status } }: Destination): boolean =>
  status === 'authorization_required' || status === 'reauthorization_required' || status === 'app_not_recognized';
