/** HTTP's client: the entry point `strand/protocols/http/client`. */
export { Agent, type AgentEndpointFactory, type AgentOptions, type IAgent } from './agent.ts';
export type { CollectOptions } from './body-collector.ts';
export { type BodyProducer, UNKNOWN_LENGTH } from './body-producer.ts';
export type { RequestBodySource } from './content.ts';
export { ContentDecoderAgent, type DecodingLimits } from './content-decoder-agent.ts';
export { CookieAgent } from './cookie-agent.ts';
export { CookieJar, type CookieJarOptions, type CookiesAsJSON } from './cookie-jar.ts';
export {
  BrotliDecoder,
  type ContentDecoder,
  DeflateDecoder,
  defaultDecoders,
  GzipDecoder,
  ZstdDecoder,
} from './decoders.ts';
export {
  BodyTooLongError,
  ClientStateError,
  ConnectionQueueFull,
  ContentDecodingError,
  HTTPClientError,
  InfiniteRedirection,
  InvalidURIError,
  PartialDownloadError,
  PotentialDataLoss,
  ProxyConnectFailed,
  RedirectNotFollowed,
  RedirectWithNoLocation,
  RequestGenerationFailed,
  RequestNotSent,
  type RequestPhase,
  RequestTimeoutError,
  RequestTransmissionFailed,
  ResponseDone,
  ResponseFailed,
  ResponseNeverReceived,
  SchemeNotSupported,
  StatusError,
  WrongBodyLength,
} from './errors.ts';
export { type FileBodyOptions, FileBodyProducer } from './file-body.ts';
export { type CallOptions, type ClientOptions, type Fields, HTTPClient } from './http-client.ts';
export type { HTTPSPolicy } from './https-policy.ts';
export { IterableBodyProducer } from './iterable-body.ts';
export {
  DEFAULT_HTTP_POOL_LIMITS,
  type HTTPPoolLimits,
  type HTTPPoolOptions,
  type RequestOptions,
  type RequestTimeouts,
  type ResponseLimits,
} from './limits.ts';
export { type FilePart, MultipartBody, type PartValue } from './multipart-body.ts';
export { HTTPConnectionPool } from './pool.ts';
export { ProxyAgent, type ProxyOptions } from './proxy-agent.ts';
export { type ProxyChoice, proxyFromEnvironment } from './proxy-choice.ts';
export {
  BrowserLikeRedirectAgent,
  RedirectAgent,
  type RedirectOptions,
  type RedirectRule,
} from './redirect-agent.ts';
export type { ClientRequest } from './request-text.ts';
export { Response, readBody, type SentRequest } from './response.ts';
export { defaultClient, get, post, request, type ShortOptions } from './short.ts';
export type { RequestTarget } from './target.ts';
