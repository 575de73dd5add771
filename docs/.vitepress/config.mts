import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type DefaultTheme } from 'vitepress';

const api = new URL('../api/', import.meta.url);

/** The pages that docs/scripts/api.mjs wrote, a package each, its further entry points below it. */
function apiPages(folder = '@cria/'): DefaultTheme.SidebarItem[] {
  const at = new URL(folder, api);
  if (!existsSync(at)) return [];
  return readdirSync(at)
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'.md'.length);
      const items = apiPages(`${folder}${name}/`);
      return {
        text: `${folder}${name}`,
        link: `/api/${folder}${name}`,
        ...(items.length > 0 ? { items, collapsed: true } : {}),
      };
    });
}

export default defineConfig({
  title: 'Cria',
  description: 'LLaMA in TypeScript: train it, serve it, take it apart.',
  lang: 'en',
  cleanUrls: true,
  srcExclude: ['**/node_modules/**', 'README.md'],
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Architecture', link: '/architecture' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'Getting started', link: '/getting-started' },
          { text: 'The trainer', link: '/trainer' },
          { text: 'The server', link: '/server' },
        ],
      },
      {
        text: 'Inside',
        items: [
          { text: 'Architecture', link: '/architecture' },
          { text: 'Testing', link: '/testing' },
          { text: 'Benchmarks', link: '/benchmarks' },
          { text: 'Lab log', link: '/log' },
        ],
      },
      { text: 'API', items: apiPages() },
    ],
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: 'https://github.com/cria-ai/cria' }],
  },
});
