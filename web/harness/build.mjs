// Builds the harness for Node: its program, the tab, the driver for the scripts of `fleet conformance-client`, and a tab
// for each planted bug, in which one module of the SDK is replaced by a broken one of `planted`. The SDK itself knows
// nothing of it.

import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here('dist');

/** Each bug: the module that has it, and who asks for that module. */
const BUGS = {
  'late-answer-wins': { module: 'messages', importer: '/harness/changing.ts' },
  'retry-out-of-order': { module: 'queue', importer: '/sdk/writing.ts' },
  'storage-overwritten': { module: 'file_store', importer: '/harness/tab.ts' },
  'sync-not-asked-again': { module: 'sync', importer: '/sdk/client.ts' },
};

/** Who asks for the module gets the broken one, which has the real one from elsewhere. */
function planted(bug) {
  const { module, importer } = BUGS[bug];
  let isPlanted = false;
  return {
    name: 'planted',
    enforce: 'pre',
    resolveId(source, from) {
      const isMeant = source.replace(/\.js$/, '').endsWith(`/${module}`) && from?.endsWith(importer);
      isPlanted ||= isMeant;
      return isMeant ? here(`planted/${bug}.ts`) : undefined;
    },
    buildEnd() {
      if (!isPlanted) throw new Error(`nobody asks for ${module} in ${importer}`);
    },
  };
}

async function bundle(input, plugins, emptyOutDir) {
  await build({
    root: here('.'),
    configFile: false,
    logLevel: 'error',
    plugins,
    build: { ssr: true, outDir: out, emptyOutDir, minify: false, target: 'node20', rollupOptions: { input } },
  });
}

await bundle({ main: here('main.ts'), tab: here('tab.ts'), driver: here('driver.ts') }, [], true);
for (const bug of Object.keys(BUGS)) {
  await bundle({ [`tab-${bug}`]: here('tab.ts') }, [planted(bug)], false);
  if (BUGS[bug].importer.startsWith('/sdk/')) {
    await bundle({ [`driver-${bug}`]: here('driver.ts') }, [planted(bug)], false);
  }
}
