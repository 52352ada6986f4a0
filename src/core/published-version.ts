// The Patroni that vigil says it is, in member keys and over REST.

/** The behaviour that real Patroni agents may expect of us (they compare the number, never the name). */
export const PUBLISHED_VERSION = '4.1.4'
