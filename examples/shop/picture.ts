/** The product image as SVG, so that it looks the same on every phone. */
export const PICTURE = `<svg class="hero" viewBox="0 0 480 240" preserveAspectRatio="xMidYMid slice" role="img" aria-label="">
<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="#f6dfc0"/><stop offset="1" stop-color="#e9b98a"/></linearGradient>
<linearGradient id="bag" x2="1"><stop stop-color="#5b3822"/><stop offset=".5" stop-color="#7a4e31"/><stop offset="1" stop-color="#4c2d1a"/></linearGradient></defs>
<path fill="url(#sky)" d="M0 0h480v240H0z"/><circle cx="372" cy="66" r="30" fill="#fff3dd"/>
<path fill="#c99a6f" d="M0 168 78 92l52 50 62-74 84 96 58-52 72 66 74-58v120H0z"/>
<path fill="#a9764c" d="M0 196l96-62 70 54 88-70 92 72 62-44 72 46v48H0z"/>
<path fill="#6f4a30" d="M0 216h480v24H0z"/>
<g transform="translate(178 34)"><path fill="#3d2414" d="M12 0h100l6 18H6z"/><path fill="url(#bag)" d="M6 18h112l8 168a8 8 0 0 1-8 8H6a8 8 0 0 1-8-8z"/>
<path fill="none" stroke="#d9b48a" stroke-width="2" stroke-dasharray="5 4" d="M8 26h108"/>
<rect x="18" y="62" width="88" height="88" rx="6" fill="#fbf1e2"/>
<path fill="#7a4e31" d="M28 124l20-26 12 14 16-22 22 34z"/><circle cx="86" cy="82" r="6" fill="#e0904f"/>
<path stroke="#b98d63" stroke-width="3" stroke-linecap="round" d="M32 134h60M44 142h36"/>
<circle cx="62" cy="46" r="5" fill="#2c190d"/></g>
${[[138, 214, -20], [160, 222, 35], [322, 214, 25], [346, 222, -30], [368, 215, 10], [118, 224, 60]].map(([x, y, turn]) => `<g transform="translate(${x} ${y}) rotate(${turn})"><ellipse rx="13" ry="9" fill="#3d2414"/><path fill="none" stroke="#8a5d3d" stroke-width="2" d="M-11 0q6-4 11 0t11 0"/></g>`).join('')}
</svg>`
