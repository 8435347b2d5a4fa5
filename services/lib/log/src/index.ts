export { lockDataFolder, type DataFolderLock } from './data-folder-lock.ts';
export { openEmbeddedLog, type EmbeddedLogOptions } from './embedded/embedded-log.ts';
