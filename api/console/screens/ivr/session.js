// One caller's way through the menus.
import { html } from '../../lib/html.js';
import { all, get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { link } from '../../lib/router.js';
import { useNames } from '../../lib/names.js';
import { moment, words } from '../../lib/format.js';
import { Badge, Facts, Id, Page, Section, Shown } from '../../ui/parts.js';
import { RawEvent } from '../calls/events.js';
import { Timeline } from '../calls/timeline.js';

export function Session({ id }) {
  const session = useLoad(async (signal) => {
    const [data, events] = await Promise.all([get(`/ivr/sessions/${id}`, {}, signal), all(`/ivr/sessions/${id}/events`, {}, signal)]);
    return { session: data, events };
  }, [id], { every: 5000 });
  const menus = useNames('menus', [session.data?.session.current_menu_id]);
  return html`<${Shown} of=${session}>${({ session: one, events }) => html`<${Page} title="Way through the menus" sub=${html`<${Id} id=${id} whole />`}>
    <${Section}><${Facts} rows=${[
      ['Status', html`<${Badge} is=${one.status} />`],
      ['Menu', html`<a href=${link('ivr', one.current_menu_id)}>${menus.get(one.current_menu_id)?.name ?? one.current_menu_id}</a>`],
      ['Began', moment(one.start_time)],
      ['Turns', String(one.turn_count)],
      one.end_cause && ['Ended', words(one.end_cause)],
      one.outcome && ['Outcome', `${words(one.outcome.action)} ${one.outcome.target ?? ''}`],
      one.call_id && ['Call', html`<${Id} id=${one.call_id} href=${link('calls', one.call_id)} />`],
      one.prompt && ['Hears', one.prompt],
      Object.keys(one.collected).length > 0 && ['Collected', html`<code>${JSON.stringify(one.collected)}</code>`],
    ]} /><//>
    <${Section} title="Steps"><${Timeline} call=${{ created_at: one.start_time }} events=${[]} session=${{ events }} deliveries=${[]} /><//>
    <${Section} title="Raw events"><div class="raw">${events.map((event) => html`<${RawEvent} key=${event.version} event=${event} />`)}</div><//>
  <//>`}<//>`;
}
