export type { DeviceProvider, ProviderOptions } from '@cria/tensor';
export { type DeviceChoice, deviceChoice, deviceChoices, type DeviceName, deviceNames } from './names.ts';
export { type DeviceReport, inspectDevices, openDevice, type OpenedDevice } from './open.ts';
