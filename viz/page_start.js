// A page of one architecture, which stands in it.
new Page(new Model(JSON.parse($('data').textContent)));
