export async function produceFile(_file: string, _options: { data?: string }): Promise<void> {}
