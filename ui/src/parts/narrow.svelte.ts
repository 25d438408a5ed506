// Whether there is room for a table, or a row has to be two lines.

const query = matchMedia("(width < 48rem)");

class Narrow {
  is = $state(query.matches);
  constructor() {
    query.addEventListener("change", () => (this.is = query.matches));
  }
}

export const narrow = new Narrow();
