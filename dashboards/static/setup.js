// The key stands behind the #, which no browser sends and no log sees: post it, and take it out of the address.
const key = decodeURIComponent(location.hash.slice(1));
if (key) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("key").value = key;
  document.getElementById("setup").submit();
}
