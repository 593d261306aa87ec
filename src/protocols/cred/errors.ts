/** What can go wrong when somebody logs in (Twisted: `twisted.cred.error`). */

/** Somebody could not log in. Base of the kinds below. Twisted: `LoginFailed`. */
export class LoginFailed extends Error {
  static {
    LoginFailed.prototype.name = 'LoginFailed';
  }
  readonly code: string = 'ERR_LOGIN_FAILED';

  constructor(message = 'Login failed', options?: ErrorOptions) {
    super(message, options);
  }
}

/** The credentials are not right. The message never says which part of them, nor repeats them. Twisted: `UnauthorizedLogin`. */
export class UnauthorizedLogin extends LoginFailed {
  static {
    UnauthorizedLogin.prototype.name = 'UnauthorizedLogin';
  }
  override readonly code: string = 'ERR_UNAUTHORIZED_LOGIN';

  constructor(message = 'Login refused: unknown user or wrong password', options?: ErrorOptions) {
    super(message, options);
  }
}

/** No checker of the portal takes credentials of this kind. Twisted: `UnhandledCredentials`. */
export class UnhandledCredentials extends LoginFailed {
  static {
    UnhandledCredentials.prototype.name = 'UnhandledCredentials';
  }
  override readonly code: string = 'ERR_UNHANDLED_CREDENTIALS';
}

/** So many logins are being checked that this one was refused unseen. */
export class TooManyLogins extends LoginFailed {
  static {
    TooManyLogins.prototype.name = 'TooManyLogins';
  }
  override readonly code: string = 'ERR_TOO_MANY_LOGINS';
}

/** A password file cannot be used as it is: its message names file and line, and never the password. */
export class PasswordFileError extends Error {
  static {
    PasswordFileError.prototype.name = 'PasswordFileError';
  }
  readonly code: string = 'ERR_PASSWORD_FILE';
}
