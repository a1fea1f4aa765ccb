/** For programs that run a gateway themselves. */
export { type Config, ConfigError, loadConfig } from './config.ts';
export { serve } from './main.ts';
