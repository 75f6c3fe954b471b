/** Prompts, resources and contents as data: lists, URI templates, and what content of servers is displayed. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { argumentsOf, groupItems, idOf, withoutEmpty } from '../../../front/console/data/catalog_list.mjs';
import { binary, fileName, formatted, shortened, textIn, textOf } from '../../../front/console/data/contents.mjs';
import { expanded, variablesOf } from '../../../front/console/data/uri_template.mjs';

describe('lists of prompts and resources', () => {
  const listed = (/** @type {string} */ server, /** @type {any} */ item) => ({ item, server, completes: false });
  const all = [
    listed('notes', { name: 'Shopping', uri: 'notes://1', mimeType: 'text/markdown' }),
    listed('clock', { name: 'now_in', uriTemplate: 'clock://{zone}', description: 'The time' }),
    listed('notes', { name: 'Work', uri: 'notes://2', title: 'At work' }),
  ];

  test('every word of a search must match; groups are by server', () => {
    const ids = (/** @type {string} */ search) =>
      groupItems(all, search).map(({ server, items }) => [server, items.map(idOf)]);
    assert.deepEqual(ids(''), [
      ['notes', ['notes://1', 'notes://2']],
      ['clock', ['clock://{zone}']],
    ]);
    assert.deepEqual(ids('NOTES work'), [['notes', ['notes://2']]]);
    assert.deepEqual(ids('markdown'), [['notes', ['notes://1']]]);
    assert.deepEqual(ids('nowhere'), []);
  });

  test('invalid arguments are omitted, and so are empty values', () => {
    const odd = /** @type {any} */ ({ name: 'p', arguments: [{ name: 'who' }, null, 'x', { name: 5 }] });
    assert.deepEqual(argumentsOf(odd), [{ name: 'who' }]);
    assert.deepEqual(argumentsOf({ name: 'p' }), []);
    assert.deepEqual(withoutEmpty({ who: 'Ada', tone: '' }), { who: 'Ada' });
  });
});

describe('URI templates', () => {
  test('variables of a template, without duplicates', () => {
    assert.deepEqual(variablesOf('x://{a}/{+b,c*}{?a,d:3}/{}'), ['a', 'b', 'c', 'd']);
    assert.deepEqual(variablesOf('x://plain'), []);
  });

  test('the examples of RFC 6570, section 3.2', () => {
    const values = {
      var: 'value',
      hello: 'Hello World!',
      path: '/foo/bar',
      x: '1024',
      y: '768',
      half: '50%',
      base: 'http://example.com/home/',
    };
    for (const [template, uri] of [
      ['{var}', 'value'],
      ['{hello}', 'Hello%20World%21'],
      ['{half}', '50%25'],
      ['{x,y}', '1024,768'],
      ['{var:3}', 'val'],
      ['{+var}', 'value'],
      ['{+hello}', 'Hello%20World!'],
      ['{+half}', '50%25'],
      ['{base}index', 'http%3A%2F%2Fexample.com%2Fhome%2Findex'],
      ['{+base}index', 'http://example.com/home/index'],
      ['{+path,x}/here', '/foo/bar,1024/here'],
      ['{#path,x}/here', '#/foo/bar,1024/here'],
      ['X{.x,y}', 'X.1024.768'],
      ['{/var,x}/here', '/value/1024/here'],
      ['{;x,y}', ';x=1024;y=768'],
      ['{?x,y,undef}', '?x=1024&y=768'],
      ['?fixed=yes{&x}', '?fixed=yes&x=1024'],
      ['{undef}', ''],
    ])
      assert.equal(expanded(template, values), uri, template);
  });

  test('values are encoded as data, also lone surrogates', () => {
    assert.equal(expanded('x://{id}', { id: '../{y}?a#b' }), 'x://..%2F%7By%7D%3Fa%23b');
    assert.equal(expanded('x://{id}', { id: '\uD800' }), 'x://%EF%BF%BD');
    assert.equal(expanded('x://{constructor}', {}), 'x://');
    assert.equal(expanded('x://{+id}', { id: 'a%2Fb' }), 'x://a%2Fb');
  });
});

describe('content', () => {
  test('listed media types are displayed, all others are binary', () => {
    assert.deepEqual(binary('QUJD', 'image/png'), { kind: 'image', source: 'data:image/png;base64,QUJD', bytes: 3 });
    assert.equal(binary('QUJD', 'audio/wav')?.kind, 'audio');
    assert.deepEqual(binary('QUI=', 'application/pdf'), { kind: 'binary', source: '', bytes: 2 });
    for (const mime of ['image/svg+xml', 'text/html', 'image/png;x=,<svg>', 'image/png\n', 'video/mp4', '', undefined])
      assert.deepEqual(binary('QUJD', mime), { kind: 'binary', source: '', bytes: 3 }, String(mime));
    for (const data of ['<svg/>', 'QUJD"onerror=', 5, null, undefined]) assert.equal(binary(data, 'image/png'), null);
  });

  test('JSON is indented if its type is JSON and nothing is lost', () => {
    assert.equal(formatted('{"a":[1,"x y"]}', 'application/json'), '{\n  "a": [\n    1,\n    "x y"\n  ]\n}');
    assert.equal(formatted('{"a":1}', 'application/ld+json; charset=utf-8'), '{\n  "a": 1\n}');
    for (const [text, mime] of [
      ['{"a":1}', 'text/plain'],
      ['{"a":', 'application/json'],
      ['{"a":12345678901234567890}', 'application/json'],
      ['{"a":1.0}', 'application/json'],
      ['{"a":1,"a":2}', 'application/json'],
    ])
      assert.equal(formatted(text, mime), text);
  });

  test('a URI always gives a valid file name', () => {
    assert.equal(fileName('file:///srv/report.pdf?x=1'), 'report.pdf');
    assert.equal(fileName('x://a/../..'), 'resource');
    assert.equal(fileName('x://a/.bashrc'), 'bashrc');
    assert.equal(fileName('x://a/b\u202Efdp.exe'), 'b_fdp.exe');
    assert.equal(fileName(`x://${'n'.repeat(500)}`).length, 100);
  });

  test('a field that should be text is converted without calling its methods; long texts are cut in the JSON', () => {
    assert.deepEqual(['x', undefined, null, 5].map(textIn), ['x', '', '', '5']);
    assert.equal(textIn({ toString: 'x' }), '{"toString":"x"}');
    const cut = /** @type {any} */ (shortened({ contents: [{ blob: 'A'.repeat(5000), uri: 'x://y' }] }));
    assert.equal(cut.contents[0].blob, `${'A'.repeat(2000)}… (5,000 characters)`);
    assert.equal(cut.contents[0].uri, 'x://y');
    assert.equal(shortened(undefined), null);
  });

  test('texts of messages', () => {
    const messages = [
      { role: 'user', content: { type: 'text', text: 'one' } },
      { role: 'user', content: { type: 'image', data: 'QUJD' } },
      { role: 'user', content: { type: 'resource', resource: { text: 'two' } } },
      null,
    ];
    assert.equal(textOf(messages), 'one\n\ntwo');
    assert.equal(textOf('nothing'), '');
  });
});
