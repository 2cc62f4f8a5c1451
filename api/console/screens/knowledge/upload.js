// Uploads files with their progress, and takes addresses.
import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { Failure, Field, Text, useForm } from '../../ui/form.js';
import { say } from '../../ui/toast.js';

const TYPES = {
  pdf: 'application/pdf',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  html: 'text/html',
  htm: 'text/html',
  md: 'text/markdown',
  csv: 'text/csv',
  txt: 'text/plain',
};
const ACCEPT = Object.keys(TYPES).map((end) => `.${end}`).join(',');

// fetch tells no progress of what it sends
function put(promised, file, told) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(promised.method, promised.url);
    for (const [name, value] of Object.entries(promised.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => told(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? done() : failed(new Error(`the upload was refused with ${request.status}`)));
    request.onerror = () => failed(new Error('the upload broke off'));
    request.send(file);
  });
}

export function Upload({ id, added }) {
  const [files, setFiles] = useState([]);
  const [url, setUrl] = useState('');
  const [share, setShare] = useState(null);
  const form = useForm(async () => {
    const taken = [];
    for (const [n, file] of files.entries()) {
      const content_type = TYPES[file.name.split('.').pop().toLowerCase()] ?? file.type;
      const promised = await post(`/kb/${id}/files/presign`, { file_name: file.name, content_type, size_bytes: file.size });
      await put(promised, file, (part) => setShare((n + part) / files.length));
      taken.push({ upload_id: promised.upload_id, title: file.name });
    }
    setShare(null);
    await post(`/kb/${id}/files/ingest`, { files: taken, urls: url ? [url] : [] });
    setFiles([]);
    setUrl('');
    say('Added');
    added();
  });
  return html`<form onSubmit=${form.submit}>
    <${Field} label="Files" hint="PDF, DOCX, HTML, Markdown, text or CSV">
      ${(field) => html`<input type="file" multiple accept=${ACCEPT} ...${field} onChange=${(event) => setFiles([...event.target.files])} />`}
    <//>
    <${Text} label="Or an address" type="url" value=${url} onInput=${setUrl} error=${form.errors['urls[0]']} maxlength="2000" />
    ${share !== null && html`<progress aria-label="Upload" max="1" value=${share}></progress>`}
    <${Failure} form=${form} />
    <button disabled=${form.busy || (files.length === 0 && !url)}>Add</button>
  </form>`;
}
