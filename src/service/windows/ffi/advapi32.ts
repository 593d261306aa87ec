/** advapi32.dll: the service manager's functions, as winsvc.h declares them. Handles are pointers, BOOL is int32, DWORD is uint32. */
import { type Address, native, type Pointer } from './koffi.ts';

const A = 'advapi32.dll';
type Text = string | null;

export const openSCManager = native<[machine: Text, database: Text, access: number], Pointer>(
  A,
  'OpenSCManagerW',
  'void *',
  ['str16', 'str16', 'uint32'],
);

export const closeServiceHandle = native<[handle: Pointer], number>(
  A,
  'CloseServiceHandle',
  'int32',
  ['void *'],
);

export const createService = native<
  [
    manager: Pointer,
    name: string,
    displayName: Text,
    access: number,
    type: number,
    startType: number,
    errorControl: number,
    path: string,
    group: Text,
    tag: Pointer,
    dependencies: Address,
    account: Text,
    password: Text,
  ],
  Pointer
>(A, 'CreateServiceW', 'void *', [
  'void *',
  'str16',
  'str16',
  'uint32',
  'uint32',
  'uint32',
  'uint32',
  'str16',
  'str16',
  'void *',
  'void *',
  'str16',
  'str16',
]);

export const openService = native<[manager: Pointer, name: string, access: number], Pointer>(
  A,
  'OpenServiceW',
  'void *',
  ['void *', 'str16', 'uint32'],
);

export const deleteService = native<[service: Pointer], number>(A, 'DeleteService', 'int32', [
  'void *',
]);

/** Null, and 0xFFFFFFFF for numbers, leave what is there. */
export const changeServiceConfig = native<
  [
    service: Pointer,
    type: number,
    startType: number,
    errorControl: number,
    path: Text,
    group: Text,
    tag: Pointer,
    dependencies: Address,
    account: Text,
    password: Text,
    displayName: Text,
  ],
  number
>(A, 'ChangeServiceConfigW', 'int32', [
  'void *',
  'uint32',
  'uint32',
  'uint32',
  'str16',
  'str16',
  'void *',
  'void *',
  'str16',
  'str16',
  'str16',
]);

export const changeServiceConfig2 = native<
  [service: Pointer, level: number, info: Address],
  number
>(A, 'ChangeServiceConfig2W', 'int32', ['void *', 'uint32', 'void *']);

export const queryServiceConfig = native<
  [service: Pointer, answer: Address, size: number, needed: Buffer],
  number
>(A, 'QueryServiceConfigW', 'int32', ['void *', 'void *', 'uint32', 'void *']);

export const queryServiceConfig2 = native<
  [service: Pointer, level: number, answer: Address, size: number, needed: Buffer],
  number
>(A, 'QueryServiceConfig2W', 'int32', ['void *', 'uint32', 'void *', 'uint32', 'void *']);

export const queryServiceStatusEx = native<
  [service: Pointer, level: number, answer: Address, size: number, needed: Buffer],
  number
>(A, 'QueryServiceStatusEx', 'int32', ['void *', 'int32', 'void *', 'uint32', 'void *']);

export const enumServicesStatusEx = native<
  [
    manager: Pointer,
    level: number,
    type: number,
    state: number,
    answer: Address,
    size: number,
    needed: Buffer,
    count: Buffer,
    resume: Buffer,
    group: Text,
  ],
  number
>(A, 'EnumServicesStatusExW', 'int32', [
  'void *',
  'int32',
  'uint32',
  'uint32',
  'void *',
  'uint32',
  'void *',
  'void *',
  'void *',
  'str16',
]);

export const enumDependentServices = native<
  [service: Pointer, state: number, answer: Address, size: number, needed: Buffer, count: Buffer],
  number
>(A, 'EnumDependentServicesW', 'int32', [
  'void *',
  'uint32',
  'void *',
  'uint32',
  'void *',
  'void *',
]);

/** May take half a minute: call it `async`. */
export const startService = native<[service: Pointer, count: number, args: Address], number>(
  A,
  'StartServiceW',
  'int32',
  ['void *', 'uint32', 'void *'],
);

/** May take half a minute: call it `async`. */
export const controlService = native<[service: Pointer, control: number, status: Buffer], number>(
  A,
  'ControlService',
  'int32',
  ['void *', 'uint32', 'void *'],
);

export const getServiceKeyName = native<
  [manager: Pointer, displayName: string, answer: Address, length: Buffer],
  number
>(A, 'GetServiceKeyNameW', 'int32', ['void *', 'str16', 'void *', 'void *']);

export const getServiceDisplayName = native<
  [manager: Pointer, name: string, answer: Address, length: Buffer],
  number
>(A, 'GetServiceDisplayNameW', 'int32', ['void *', 'str16', 'void *', 'void *']);

// ------------------------------------------------------------------------------- the service's process

/** It blocks until the last service is stopped. The address is what a thread is started with. */
export const START_DISPATCHER = { library: A, name: 'StartServiceCtrlDispatcherW' } as const;

export const registerServiceCtrlHandlerEx = native<
  [name: string, handler: Pointer, context: Pointer],
  Pointer
>(A, 'RegisterServiceCtrlHandlerExW', 'void *', ['str16', 'void *', 'void *']);

/** On this thread only for what is not 'stopped'. */
export const setServiceStatus = native<[handle: Pointer, status: Buffer], number>(
  A,
  'SetServiceStatus',
  'int32',
  ['void *', 'void *'],
);

/** Windows 8 and later, not Wine. */
export const queryServiceDynamicInformation = native<
  [handle: Pointer, level: number, answer: Buffer],
  number
>(A, 'QueryServiceDynamicInformation', 'int32', ['void *', 'uint32', 'void *']);

// ------------------------------------------------------------------------------------------ event log

export const registerEventSource = native<[machine: Text, source: string], Pointer>(
  A,
  'RegisterEventSourceW',
  'void *',
  ['str16', 'str16'],
);

export const deregisterEventSource = native<[log: Pointer], number>(
  A,
  'DeregisterEventSource',
  'int32',
  ['void *'],
);

export const reportEvent = native<
  [
    log: Pointer,
    type: number,
    category: number,
    id: number,
    user: Pointer,
    texts: number,
    dataSize: number,
    text: Address,
    data: Address,
  ],
  number
>(A, 'ReportEventW', 'int32', [
  'void *',
  'uint16',
  'uint16',
  'uint32',
  'void *',
  'uint16',
  'uint32',
  'void *',
  'void *',
]);
