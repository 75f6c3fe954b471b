import js from '@eslint/js';

export default [
  { ignores: ['**/node_modules/', '.venv/', '.envs/', 'build/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.mjs'],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-undef': 'off', // tsc knows better: the same names are there in browsers and in Node
      'no-unused-vars': ['error', { ignoreRestSiblings: true, argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-empty': ['error', { allowEmptyCatch: true }],
      'no-control-regex': 'off', // the guard looks for them
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-throw-literal': 'error',
      'object-shorthand': 'error',
      'prefer-template': 'error',
    },
  },
  { files: ['bridge/**', 'front/**'], rules: { 'max-lines': ['error', 400] } },
];
