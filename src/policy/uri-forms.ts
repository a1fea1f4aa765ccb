/**
 * The ways in which a server may read a URI: as it is written, as URLs are brought to one form, and with its escapes
 * undone. A rule that denies one of them has to deny all, and one that allows has to allow all.
 */
export function uriForms(uri: string): readonly string[] {
  const forms = new Set([uri]);
  if (URL.canParse(uri)) forms.add(new URL(uri).href);
  for (const form of [...forms]) {
    try {
      forms.add(decodeURIComponent(form));
    } catch {
      // An escape that is none stays as it is.
    }
  }
  return [...forms];
}
