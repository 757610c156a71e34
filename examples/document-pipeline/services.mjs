// Pretended services, so that the example needs no keys and no network.  In a
// real app this is an OCR service, a language model and a database.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function readPages(name, attempt) {
  await pause(120);

  if (attempt < 2) {
    throw new Error(`the scanner is busy (page ${attempt + 1} of 3)`);
  }

  return `${name}: three pages about a bridge, a budget and a deadline.`;
}

export async function askModel(role, prompt) {
  await pause(150 + Math.random() * 250);

  return `${role}: ${prompt.length} characters read, nothing to object.`;
}

export async function saveDocument(name, findings) {
  await pause(40);

  return `${name.replace(/\W+/g, "-")}-${findings.length}`;
}
