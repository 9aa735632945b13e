/** The socket that systemd opens for fleet's API on every machine. */
export const defaultSocket = "/run/fleet.sock";

/** Where fleet's API is when nothing else is said. */
export const defaultEndpoint = `unix://${defaultSocket}`;

/** The group whose members may open that socket, besides root; CoreOS had it under this name. */
export const socketGroup = "fleet";
