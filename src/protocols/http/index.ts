/** HTTP: the entry point `strand/protocols/http`. */

export {
  AccessLogFile,
  type AccessRecord,
  combinedLogFormatter,
  type LogFormatter,
  type Loggable,
  type LogTarget,
  proxiedLogFormatter,
  type RefusalReason,
} from './access-log.ts';
export * from './auth/index.ts';
export { HTTPChannel } from './channel.ts';
export * from './client/index.ts';
export { type CookieOptions, formatCookie, parseCookies } from './cookies.ts';
export type { BodyFilter } from './encoding/body-filter.ts';
export { type DecodingOptions, DecodingResourceWrapper } from './encoding/decoding-wrapper.ts';
export {
  BrotliEncoderFactory,
  defaultEncoders,
  type EncoderFactory,
  type EncoderOptions,
  GzipEncoderFactory,
  hasZstd,
  ZstdEncoderFactory,
} from './encoding/encoders.ts';
export { EncodingResourceWrapper } from './encoding/wrapper.ts';
export { HTTPFactory, type HTTPFactoryOptions, type RequestClass } from './factory.ts';
export { Form, type FormOptions, parseForm } from './forms/form.ts';
export { UploadedFile, type UploadInfo, type UploadSink } from './forms/upload.ts';
export { parseURLEncoded, type URLEncodedLimits } from './forms/urlencoded.ts';
export { Headers, type HeadersInit, InvalidHeaderError } from './headers.ts';
export { RequestHead, ResponseHead } from './heads.ts';
export {
  DEFAULT_SERVER_LIMITS,
  type HTTPLimits,
  type LimitOptions,
  type ServerLimits,
} from './http-limits.ts';
export {
  ErrorPage,
  errorPage,
  ForbiddenResource,
  forbidden,
  NoResource,
  notFound,
} from './pages.ts';
export { HTTPParseError, type HTTPParseErrorCode } from './parse-errors.ts';
export { RequestParser } from './parser.ts';
export type { TargetForm } from './parser-authority.ts';
export type { Framing, RequestEvents, ResponseEvents, ResponseFraming } from './parser-events.ts';
export {
  DEFAULT_PARSER_LIMITS,
  type LenientParsing,
  type ParserLimits,
  type ParserOptions,
  type ParserSettings,
  parserSettings,
  STRICT_PARSING,
} from './parser-limits.ts';
export * from './proxy/index.ts';
export {
  ChildRedirector,
  DeferredResource,
  ParentRedirect,
  Redirect,
  redirectTo,
} from './redirect.ts';
export { Request } from './request.ts';
export { CACHED } from './request-answer.ts';
export { type BodyReceiver, RequestBody } from './request-body.ts';
export type { RequestChannel } from './request-channel.ts';
export { RequestAborted, RequestStateError } from './request-errors.ts';
export {
  type AnyRequest,
  getChildForRequest,
  IResource,
  type Lookup,
  NOT_DONE_YET,
  type Rendered,
  Resource,
  UnsupportedMethod,
} from './resource.ts';
export { ResponseParser } from './response-parser.ts';
export { alias, type RewriteRule, RewriterResource, tildeToUsers } from './rewrite.ts';
export { Session } from './session.ts';
export { Site, type SiteOptions } from './site.ts';
export {
  type EventSource,
  type EventSourceFactory,
  formatEvent,
  type ServerSentEvent,
  ServerSentEvents,
  type ServerSentEventsOptions,
} from './sse.ts';
export { Data } from './static/data.ts';
export { File } from './static/file.ts';
export type { FileOptions, Processor } from './static/file-options.ts';
export { DirectoryLister, type ListingEntry, type ListingOptions } from './static/listing.ts';
export type { FollowSymlinks } from './static/open-file.ts';
export { HTTPError, type HTTPErrorOptions, RESPONSES } from './status.ts';
export { NameVirtualHost } from './vhost.ts';
export { type CORSOptions, CORSResourceWrapper } from './wrappers/cors.ts';
export { ResourceWrapper } from './wrappers/resource-wrapper.ts';
export {
  type SecurityHeadersOptions,
  SecurityHeadersWrapper,
} from './wrappers/security-headers.ts';
