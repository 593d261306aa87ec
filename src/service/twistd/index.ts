/** The program that hosts applications. */
export { main, type Streams } from './main.ts';
