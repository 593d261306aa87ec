// What is new comes as events, each with the HTML of its entry: the server has escaped whatever is in it.
const board = document.querySelector('#board');
const state = document.querySelector('#state');
const form = document.querySelector('#form');
const problem = document.querySelector('#problem');

function show(html) {
  const item = new DOMParser().parseFromString(html, 'text/html').querySelector('li');
  document.getElementById(item.id)?.remove();
  item.classList.add('new');
  board.prepend(item);
  while (board.children.length > Number(board.dataset.shown)) board.lastElementChild.remove();
}

function say(word) {
  state.textContent = word;
  state.dataset.state = word;
}

// When the connection breaks, the browser comes back by itself, and says what it saw last.
const events = new EventSource(`/events?after=${board.dataset.after}`);
events.addEventListener('open', () => say('live'));
events.addEventListener('error', () => say('connecting'));
events.addEventListener('entry', ({ data }) => show(data));

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  problem.textContent = '';
  try {
    const response = await fetch('/', {
      method: 'POST',
      headers: { Accept: 'text/plain' },
      body: new URLSearchParams(new FormData(form)),
    });
    if (response.ok) form.elements.text.value = '';
    else problem.textContent = response.status === 422 ? await response.text() : 'Try again';
  } catch {
    problem.textContent = 'The server is not there: try again';
  }
});
