// Stands in the bundle for the XML library that dbus-native would use to introspect objects.
export class Parser {
  parseString() {
    throw new Error("introspection over D-Bus is not part of this bundle");
  }
}
