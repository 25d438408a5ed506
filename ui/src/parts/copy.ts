// Puts a text into the clipboard. A page that came over plain HTTP from another machine has none.

/** Returns whether it is there. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
