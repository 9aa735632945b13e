/** A file that tells D-Bus who may do what. @param policies its policy elements, by line and indented by two spaces */
export function busPolicy(policies: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
${policies}
</busconfig>
`;
}
