import { access, constants, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Finding, fault, ok, warning } from './finding.ts';

/** The folder of an embedded database, and its key. */
export async function checkFiles(dataDir: string): Promise<readonly Finding[]> {
  const check = 'data folder';
  const folder = await modeOf(dataDir);
  if (folder === undefined) return [await checkParent(dataDir)];
  if (!folder.isDirectory)
    return [
      fault(
        check,
        `${dataDir} is no folder`,
        'Set DRAGON_DATA_DIR to a folder, or to where one can be made.',
      ),
    ];
  if (!(await isWritable(dataDir)))
    return [
      fault(check, `${dataDir} cannot be written to by this user`, `chown it to the user of the gateway.`),
    ];
  const findings: Finding[] = [
    folder.isOthers
      ? warning(check, `other users can look into ${dataDir}`, `chmod 700 ${dataDir}`)
      : ok(check, dataDir),
  ];
  const file = join(dataDir, 'key');
  const key = await modeOf(file);
  if (key?.isOthers)
    findings.push(fault('key file', `other users can read the encryption key ${file}`, `chmod 600 ${file}`));
  else if (key !== undefined) findings.push(ok('key file', file));
  return findings;
}

async function checkParent(dataDir: string): Promise<Finding> {
  let parent = dirname(dataDir);
  while ((await modeOf(parent)) === undefined && parent !== dirname(parent)) parent = dirname(parent);
  if (await isWritable(parent)) return ok('data folder', `${dataDir} is made at the first start`);
  return fault(
    'data folder',
    `${dataDir} is not there, and this user cannot make it in ${parent}`,
    'Make it and chown it to the user of the gateway, or set DRAGON_DATA_DIR.',
  );
}

async function modeOf(path: string) {
  try {
    const found = await stat(path);
    const isOthers = process.platform !== 'win32' && (found.mode & 0o077) !== 0;
    return { isDirectory: found.isDirectory(), isOthers };
  } catch {
    return undefined;
  }
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}
