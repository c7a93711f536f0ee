// A link that holds one text or both: deflated, in base64url, behind the #. Nothing of it is sent to a server.
const MOST = 500_000; // bytes that the checker takes

async function through(bytes, stream) {
  return new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();
}

export async function toLink(text, old) {
  const parts = [`text=${await packed(text)}`];
  if (old !== undefined) parts.push(`old=${await packed(old)}`);
  return parts.join("&");
}

async function packed(text) {
  const bytes = new Uint8Array(await through(new TextEncoder().encode(text), new CompressionStream("deflate-raw")));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The texts of a link, `{text, old}`: null where there is none that can be read. */
export async function fromLink(hash) {
  const coded = new URLSearchParams(hash.replace(/^#/, ""));
  return { text: await unpacked(coded.get("text")), old: await unpacked(coded.get("old")) };
}

async function unpacked(coded) {
  if (coded === null) return null;
  try {
    const bytes = Uint8Array.from(atob(coded.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    const parts = [];
    let size = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      size += part.value.length;
      if (size > MOST) return null; // a small link may unpack to gigabytes
      parts.push(part.value);
    }
    return await new Blob(parts).text();
  } catch {
    return null;
  }
}
