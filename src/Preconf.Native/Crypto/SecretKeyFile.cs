using System.Security.Cryptography;
using Preconf.Native.Interop;

namespace Preconf.Native.Crypto;

/// <summary>
/// A file with one secp256k1 secret: 64 hexadecimal digits and a newline, for its owner's eyes only (mode 0600). The node's identity and the
/// signer's key are kept in this form.
/// </summary>
public static class SecretKeyFile
{
    /// <summary>Reads a key file.</summary>
    /// <param name="path">Where it is.</param>
    /// <returns>The secret, 32 bytes; the caller wipes it.</returns>
    /// <exception cref="IOException">It is missing, can be read by others than its owner, or does not hold a secret; the message says which.</exception>
    public static byte[] Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return NodeHandle.LoadKey(path, create: false);
        }
        catch (NativeCallException error)
        {
            throw new IOException($"the key file {error.Detail}", error);
        }
    }

    /// <summary>Makes a fresh secret and writes it to a new file; missing folders are made too, open to their owner only.</summary>
    /// <param name="path">Where to; nothing may be there yet.</param>
    /// <returns>The secret, 32 bytes; the caller wipes it.</returns>
    /// <exception cref="IOException">There is a file already (it is left as it is), or it can't be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static byte[] Create(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] secret = GC.AllocateArray<byte>(Secp256k1.SecretSize, pinned: true);
        Secp256k1.NewSecret(secret);
        byte[] text = GC.AllocateArray<byte>((Secp256k1.SecretSize * 2) + 1, pinned: true);
        try
        {
            MakeFolder(Path.GetDirectoryName(Path.GetFullPath(path)));
            Convert.TryToHexStringLower(secret, text, out int written);
            text[written] = (byte)'\n';
            FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using FileStream file = new(path, options);
            file.Write(text);
            file.Flush(flushToDisk: true);
            return secret;
        }
        catch
        {
            CryptographicOperations.ZeroMemory(secret);
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static void MakeFolder(string? folder)
    {
        if (string.IsNullOrEmpty(folder))
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }
}
